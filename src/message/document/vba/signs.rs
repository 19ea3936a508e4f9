//! What macros were seen to do, gathered over all modules of a project, and the remarks that
//! follow from it: one word alone says little, and together they say what the macro is for.

use crate::message::contents::Opening;

/// Something that a macro does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message::document) enum Sign {
    /// Starts without being asked.
    Auto,
    /// Loads something from elsewhere.
    Download,
    /// Starts programs or code.
    Runs,
    /// Writes files or the registry.
    Writes,
    /// Hides what it does.
    Obfuscated,
}

impl Sign {
    const ALL: [Sign; 5] = [Sign::Auto, Sign::Download, Sign::Runs, Sign::Writes, Sign::Obfuscated];

    fn remark(self) -> &'static str {
        match self {
            Sign::Auto => "MACRO_AUTO_OPEN",
            Sign::Download => "MACRO_DOWNLOAD",
            Sign::Runs => "MACRO_RUNS",
            Sign::Writes => "MACRO_WRITES",
            Sign::Obfuscated => "MACRO_OBFUSCATED",
        }
    }
}

/// How many places of one sign are told.
const PLACES: usize = 4;

/// The signs seen so far.
#[derive(Debug, Default)]
pub(in crate::message::document) struct Signs {
    seen: Vec<(Sign, String)>,
}

impl Signs {
    /// Notes what was seen in which module.
    pub(in crate::message::document) fn note(&mut self, sign: Sign, module: &str, what: &str) {
        let of_sign = self.seen.iter().filter(|(seen, _)| *seen == sign).count();
        if of_sign >= PLACES {
            return;
        }
        let what: String = what.chars().take(40).collect();
        let place = if module.is_empty() { what } else { format!("{module}: {what}") };
        if !self.seen.iter().any(|(seen, told)| *seen == sign && *told == place) {
            self.seen.push((sign, place));
        }
    }

    /// Whether something was seen.
    pub(in crate::message::document) fn has(&self, sign: Sign) -> bool {
        self.seen.iter().any(|(seen, _)| *seen == sign)
    }

    fn places(&self, sign: Sign) -> String {
        let places: Vec<&str> = self
            .seen
            .iter()
            .filter(|(seen, _)| *seen == sign)
            .map(|(_, place)| place.as_str())
            .collect();
        places.join("; ")
    }

    /// Remarks what was seen, and what it amounts to.
    pub(in crate::message::document) fn tell(&self, opening: &mut Opening<'_, '_>) {
        for sign in Sign::ALL.into_iter().filter(|sign| self.has(*sign)) {
            opening.remark(sign.remark(), self.places(sign));
        }
        let acts = self.has(Sign::Runs) || self.has(Sign::Download);
        if !(self.has(Sign::Auto) && acts) {
            return;
        }
        let hides = self.has(Sign::Download) || self.has(Sign::Obfuscated);
        let detail =
            format!("{}; {}", self.places(Sign::Auto), self.places(Sign::Runs)).replace("; ;", ";");
        // Runs by itself, starts programs, and gets or hides what it starts.
        match self.has(Sign::Runs) && hides {
            true => opening.remark("MACRO_DROPPER", detail),
            false => opening.remark("MACRO_SUSPICIOUS", detail),
        }
    }
}
