"""What the page of each command says: a file a command, from its document to a `Content`."""
