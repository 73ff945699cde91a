"""Replies that were paid for, kept so that an identical request is paid for once."""
