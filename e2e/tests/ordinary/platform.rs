//! The platform refuses: quota, storage, admission, nodes.
