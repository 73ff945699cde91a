"""Rankings by the million: from files to files, on one machine or many, and as batch jobs of providers."""
