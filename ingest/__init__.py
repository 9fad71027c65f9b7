"""Takes extracts from landing to lake: contracts, readers, row rules, identity; and the settings every room shares."""
