//! The world around the protocol.
