"""One file a revision, numbered; a revision that has been released is never edited."""
