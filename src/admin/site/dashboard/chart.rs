//! Stacked bars as SVG, drawn by plotters.
//!
//! In: counts by step. Out: an `svg` element without any style of its own: the drawing is made
//! in stand-in colours, which become classes of the site's style, so that it is readable in
//! light and dark. A drawing that fails is left out: the table beside it says the same.

use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

/// Of the parts of a bar, from below.
pub(super) const CLASSES: [&str; 5] = ["clean", "spam", "malicious", "other", "away"];
/// Stand-ins for [`CLASSES`], then for lines and for words.
const STAND_INS: [RGBColor; 7] = [
    RGBColor(1, 1, 1),
    RGBColor(1, 1, 2),
    RGBColor(1, 1, 3),
    RGBColor(1, 1, 4),
    RGBColor(1, 1, 5),
    RGBColor(1, 1, 6),
    RGBColor(1, 1, 7),
];
/// Of a drawing: name, width and height. Letters are as large in the small one, which is for
/// narrow screens.
type Size = (&'static str, u32, u32);
const SIZES: [Size; 2] = [("wide", 960, 220), ("small", 380, 220)];

/// Bars, each with its label, for wide and for narrow screens.
pub(super) fn bars(bars: &[[u64; 5]], labels: &[String]) -> Markup {
    html! { @for size in SIZES { (drawn(size, bars, labels)) } }
}

fn drawn(size: Size, bars: &[[u64; 5]], labels: &[String]) -> Markup {
    let mut svg = String::new();
    match draw(&mut svg, size, bars, labels) {
        Ok(()) => PreEscaped(classed(&svg, size)),
        Err(error) => {
            tracing::warn!(error, "a chart could not be drawn");
            PreEscaped(String::new())
        }
    }
}

fn draw(
    svg: &mut String,
    (_, width, height): Size,
    bars: &[[u64; 5]],
    labels: &[String],
) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let [_, _, _, _, _, line, word] = STAND_INS;
    let highest = bars.iter().map(|bar| bar.iter().sum::<u64>()).max().unwrap_or(0).max(4);
    let steps = i32::try_from(bars.len()).map_err(|error| words(&error))?;
    let area = SVGBackend::with_string(svg, (width, height)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(56)
        .build_cartesian_2d(0f64..f64::from(steps), 0u64..highest + highest / 10 + 1)
        .map_err(|error| words(&error))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(line.stroke_width(1))
        .light_line_style(TRANSPARENT)
        .axis_style(line)
        .y_labels(5)
        .x_labels(if width > 500 { 8 } else { 4 })
        .x_label_formatter(&|at| {
            // A label stands at the beginning of its step.
            labels.get(at.floor() as usize).cloned().unwrap_or_default()
        })
        .y_label_formatter(&|count| count.to_string())
        .label_style(("sans-serif", 15).into_font().color(&word))
        .draw()
        .map_err(|error| words(&error))?;
    let mut blocks = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        let mut below = 0;
        for (count, colour) in bar.iter().zip(STAND_INS) {
            if *count > 0 {
                let corners = [(at as f64 + 0.12, below), (at as f64 + 0.88, below + count)];
                blocks.push(Rectangle::new(corners, colour.filled()));
                below += count;
            }
        }
    }
    chart.draw_series(blocks).map_err(|error| words(&error))?;
    area.present().map_err(|error| words(&error))
}

/// Classes in the place of stand-in colours.
fn classed(svg: &str, (name, width, height): Size) -> String {
    let mut text = svg.to_owned();
    let classes = CLASSES.iter().copied().chain(["line", "word"]);
    for (RGBColor(red, green, blue), class) in STAND_INS.into_iter().zip(classes) {
        let colour = format!("#{red:02X}{green:02X}{blue:02X}");
        text = text.replace(&format!("fill=\"{colour}\""), &format!("class=\"{class}\""));
        text = text.replace(&format!("stroke=\"{colour}\""), &format!("class=\"{class}\""));
    }
    // It grows with the page and is told to readers by the words around it.
    let size = format!("width=\"{width}\" height=\"{height}\"");
    let attributes = format!("class=\"chart {name}\" aria-hidden=\"true\" focusable=\"false\"");
    text.replacen(&size, &attributes, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_classes_and_no_style() {
        let drawn = [[5, 3, 1, 0, 2], [0; 5], [7, 0, 0, 1, 0]];
        let labels = ["a<b", "14:00", "15:00"].map(str::to_owned);
        let svg = bars(&drawn, &labels).into_string();
        for class in [
            "clean",
            "spam",
            "malicious",
            "other",
            "away",
            "line",
            "word",
            "chart wide",
            "chart small",
        ] {
            assert!(svg.contains(&format!("class=\"{class}\"")), "{class}: {svg}");
        }
        assert!(!svg.contains("style=") && !svg.contains("#0101"), "{svg}");
        assert!(!svg.contains("a<b") && svg.contains("viewBox"), "{svg}");
        assert_eq!(svg.matches("class=\"clean\"").count(), 4, "two bars in two sizes");
        println!("{} octets", svg.len());
    }

    #[test]
    fn no_mail_and_much_mail_can_be_drawn() {
        assert!(!bars(&[[0; 5]; 30], &vec![String::new(); 30]).into_string().is_empty());
        let much = [[u64::from(u32::MAX), 1, 1, 1, 1]; 30];
        assert!(bars(&much, &vec![String::new(); 30]).into_string().contains("<svg"));
        bars(&[], &[]);
    }
}
