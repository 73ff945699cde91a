"""From a question to a request, and from a reply to a judgment: templates, escaping, rendering, tasks and readers."""
