"""Shows and hands out what was published: the reader, pages and exports."""
