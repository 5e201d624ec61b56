"""What an exported folder runs: nothing here imports Undertone, and all of it is copied there."""
