"""Reading git: mirrors, snapshots, commands under guard. The only room that starts git."""
