//! Connector kind: JSON documents in a folder.
