"""What the SQL stores have in common, written once: columns and what reads them, resume tokens, migrations."""
