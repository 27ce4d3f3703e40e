"""What it takes to run Trimind somewhere: containers, units, charts and the embedded default."""
