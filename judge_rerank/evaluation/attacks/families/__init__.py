"""The families that come with this package: published attacks on rankers and judges, a subject a file."""
