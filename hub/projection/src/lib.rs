//! Functions from log prefix to read model, kept on sled.
