"""A help desk: customers open tickets, agents claim, summarise and close them."""
