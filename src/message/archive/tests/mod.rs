pub(in crate::message::archive) mod build;
