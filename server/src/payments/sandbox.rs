//! The provider that serves when no key is set.
