//! The five stages from bytes to an admitted event; owns the Appender.
