mod bombs;
pub(in crate::message::archive) mod build;
mod eicar;
mod hostile;
mod programs;
