"""What tools/weir does, by subcommand."""
