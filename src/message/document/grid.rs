//! The cells of spreadsheets, put back into their rows.
//!
//! In: rows and cells as the parts of a package give them (ECMA-376 part 1, 18.3.1; ODF 1.3 part
//! 3, 9.1), among them numbers of strings that another part holds, which may come later. Out:
//! lines that give what stands below a known heading with it ([`tables`]). Cells beyond the
//! limits are not put back; their text is read all the same.

use crate::message::tables::Table;

/// Cells of one document, and octets of their texts.
const CELLS: usize = 200_000;
const OCTETS: usize = 8 << 20;

/// What stands in a cell.
#[derive(Debug)]
enum Filling {
    Text(String),
    /// The number of a shared string.
    Shared(usize),
}

#[derive(Debug)]
enum Step {
    Row,
    Cell(usize, Filling),
}

/// The cells of one document.
#[derive(Debug, Default)]
pub(super) struct Grid {
    steps: Vec<Step>,
    shared: Vec<String>,
    octets: usize,
    /// The column of the next cell that does not say its own.
    next: usize,
}

impl Grid {
    /// A row begins.
    pub(super) fn row(&mut self) {
        self.next = 0;
        if self.steps.len() < CELLS {
            self.steps.push(Step::Row);
        }
    }

    /// A cell begins; `reference` is its place, such as `C2`, where it says so. Gives its column.
    pub(super) fn begin(&mut self, reference: &str) -> usize {
        let column = column(reference).unwrap_or(self.next);
        self.next = column.saturating_add(1);
        column
    }

    /// The same cell stands in further columns.
    pub(super) fn skip(&mut self, columns: usize) {
        self.next = self.next.saturating_add(columns);
    }

    /// What stands in a cell.
    pub(super) fn text(&mut self, column: usize, text: &str) {
        let text = text.trim();
        if !text.is_empty() && self.pays(text.len()) {
            self.steps.push(Step::Cell(column, Filling::Text(text.to_owned())));
        }
    }

    /// A cell with the string of this number.
    pub(super) fn index(&mut self, column: usize, index: &str) {
        if let Ok(index) = index.trim().parse()
            && self.pays(0)
        {
            self.steps.push(Step::Cell(column, Filling::Shared(index)));
        }
    }

    /// The next shared string.
    pub(super) fn share(&mut self, text: &str) {
        let octets = text.len();
        if self.shared.len() < CELLS {
            let kept = if self.octets + octets <= OCTETS { text.trim() } else { "" };
            self.octets += kept.len();
            self.shared.push(kept.to_owned());
        }
    }

    fn pays(&mut self, octets: usize) -> bool {
        let holds = self.steps.len() < CELLS && self.octets + octets <= OCTETS;
        if holds {
            self.octets += octets;
        }
        holds
    }

    /// The lines of all tables.
    pub(super) fn lines(&self) -> String {
        let mut table = Table::default();
        let rows = self.steps.chunk_by(|_, next| !matches!(next, Step::Row));
        for row in rows {
            table.row(row.iter().filter_map(|step| match step {
                Step::Row => None,
                Step::Cell(column, Filling::Text(text)) => Some((*column, text.as_str())),
                Step::Cell(column, Filling::Shared(at)) => {
                    self.shared.get(*at).map(|text| (*column, text.as_str()))
                }
            }));
        }
        table.lines
    }
}

/// The column of a reference: A is 0.
fn column(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic).take(3);
    letters
        .map(|letter| usize::from(letter.to_ascii_uppercase() - b'A') + 1)
        .fold(None, |sum: Option<usize>, digit| Some(sum.unwrap_or(0) * 26 + digit))
        .map(|number| number - 1)
}

/// The text of a page header or footer (ECMA-376 part 1, 18.3.1.39) without its codes; its three
/// sections become lines.
pub(super) fn header_text(code: &str) -> String {
    let mut text = String::with_capacity(code.len());
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '&' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('&') => text.push('&'),
            Some('L' | 'C' | 'R') => text.push('\n'),
            // A font.
            Some('"') => while letters.next().is_some_and(|own| own != '"') {},
            // A colour: six digits, or a theme's with a sign.
            Some('K') => {
                for _ in 0..6 {
                    if letters
                        .next_if(|own| own.is_ascii_hexdigit() || "+-".contains(*own))
                        .is_none()
                    {
                        break;
                    }
                }
            }
            // A size in points.
            Some(digit) if digit.is_ascii_digit() => {
                while letters.next_if(char::is_ascii_digit).is_some() {}
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_headers_are_no_text() {
        let table = [
            ("&COFFICIAL-SENSITIVE", "\nOFFICIAL-SENSITIVE"),
            ("&L&\"Arial,Bold\"&14SECRET&CPage &P of &N&R&D", "\nSECRET\nPage  of \n"),
            ("&K00FF00RESTRICTED", "RESTRICTED"),
            ("&K01+000Draft", "Draft"),
            ("R&&D &BX", "R&D X"),
            ("plain", "plain"),
            ("&", ""),
            ("&\"", ""),
        ];
        for (code, wanted) in table {
            assert_eq!(header_text(code), wanted, "{code}");
        }
    }

    #[test]
    fn cells_are_put_back_below_their_headings() {
        let mut grid = Grid::default();
        grid.share("Name");
        grid.share("NHS number");
        grid.row();
        let (name, number) = (grid.begin("A1"), grid.begin("C1"));
        grid.index(name, "0");
        grid.index(number, "1");
        grid.row();
        let (name, number) = (grid.begin("A2"), grid.begin("C2"));
        grid.text(name, "Jones");
        grid.text(number, "9434765919");
        assert_eq!((number, grid.begin(""), column("AB7"), column("7")), (2, 3, Some(27), None));
        assert_eq!(grid.lines(), "\nNHS number: 9434765919");
    }
}
