//! Connector kind: CSV exports dropped into a folder.
