//! Where a model comes from: what it was trained from and when, and who has taught it since.
//!
//! Kept in the model's file, shown by `postern model show`. Nothing is decided by it.

use super::model::Label;
use super::school::Standing;

/// Where a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// When it was trained in batch, seconds since 1970; 0 when it never was.
    pub trained_s: u64,
    /// Spam and ham it was trained from.
    pub trained: [u32; 2],
    /// Lessons of spam and ham since, by [`Standing::ALL`].
    pub lessons: [[u32; 2]; Standing::ALL.len()],
    /// When the last lesson was taken, seconds since 1970.
    pub last_lesson_s: u64,
}

impl Record {
    /// Writes down a lesson.
    pub(super) fn note(&mut self, label: Label, standing: Standing, now_s: u64) {
        let kind = usize::from(label == Label::Ham);
        let of = self.lessons.get_mut(standing as usize).and_then(|of| of.get_mut(kind));
        if let Some(count) = of {
            *count = count.saturating_add(1);
        }
        self.last_lesson_s = self.last_lesson_s.max(now_s);
    }

    /// Lessons of spam and ham of a standing.
    pub fn lessons_of(&self, standing: Standing) -> [u32; 2] {
        self.lessons.get(standing as usize).copied().unwrap_or_default()
    }
}
