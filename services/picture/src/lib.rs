//! gRPC edge of the shared picture and its subscription.
