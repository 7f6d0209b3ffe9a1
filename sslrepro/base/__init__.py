"""What everything stands on: errors, records, devices, files."""
