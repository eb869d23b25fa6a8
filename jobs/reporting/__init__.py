"""Results for people: charts, tables, and the one-file report. Nothing here draws on the page."""
