//! The program `oauth-doctor`, run as a user would.
