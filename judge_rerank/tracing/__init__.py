"""What happened, written down and read again; OpenTelemetry spans."""
