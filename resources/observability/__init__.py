"""What an operator reads: logs, traces, figures for Prometheus, and what the doctor says."""
