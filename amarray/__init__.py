"""The front desk of amarray: command line, reports, the demo."""
