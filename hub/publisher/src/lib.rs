//! Read model changes to CloudEvents on JetStream, one stream per agency.
