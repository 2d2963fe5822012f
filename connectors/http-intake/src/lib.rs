//! Connector kind: JSON posted by a case system.
