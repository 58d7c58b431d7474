//! The soak as one page: verdicts, and what everything was over time. No scripts, nothing from
//! elsewhere, so that it can be sent and kept.

use std::fmt::{self, Display, Formatter, Write};

use super::SoakOptions;
use super::browser::Notes;
use super::judge::{Series, Trend, Unit, Verdict, WARM_UP_SHARE, all_series, amount, jobs, judged, trend};
use super::pace::THINKING_SECONDS;
use super::sample::Sample;

const STYLE: &str = include_str!("report.css");
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
/// More points than this many only make the file large.
const MOST_POINTS: usize = 1000;

/// Displays as HTML.
pub struct Report<'a> {
    pub options: &'a SoakOptions,
    pub verdicts: &'a [Verdict],
    pub samples: &'a [Sample],
    pub notes: &'a Notes,
    pub after: &'a Sample,
}

impl Display for Report<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let bad = self.verdicts.iter().filter(|verdict| !verdict.is_good).count();
        let (class, headline) = match bad {
            0 => ("good", "Nothing grows that should not".to_owned()),
            1 => ("bad", "One thing is not as it should be".to_owned()),
            _ => ("bad", format!("{bad} things are not as they should be")),
        };
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>Soak: {headline}</title><style>{STYLE}</style></head><body><main>\
             <h1><span class=\"{class}\">{}</span> {headline}</h1>",
            mark(bad == 0)
        )?;
        self.summary(out)?;
        self.table(out)?;
        self.charts(out)?;
        self.doings(out)?;
        out.write_str("</main></body></html>\n")
    }
}

impl Report<'_> {
    fn summary(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let SoakOptions { world, hours, compression } = self.options;
        let minutes = self.options.duration().as_secs_f64() / 60.0;
        write!(
            out,
            "<p>{} participants and an instructor, {} workers, {hours} hours in {minutes:.1} minutes \
             (people {compression:.0} times as fast), {} jobs ended.</p>",
            world.seats, world.workers, self.after.jobs_ended
        )?;
        let (from, to) = (THINKING_SECONDS.start, THINKING_SECONDS.end);
        write!(
            out,
            "<details><summary>What this shows, and what it cannot</summary><p>A person is assumed to think \
             {from} to {to} seconds between two things that they do. Here they think {compression:.0} times \
             less, so that as many things are done as in {hours} hours. The graphs are those of a drill's \
             ComfyUI: pictures of 8 × 8 points, made in a fraction of a second.</p><p>Whatever grows with what \
             is done shows. Whatever takes hours of the clock does not, unless the soak runs in real time \
             (<code>COMPRESS=1</code>): what is tidied up after ten minutes or a day, connections that stand \
             idle for hours, memory that a real ComfyUI takes.</p><p>Growth is along the trend against jobs \
             ended (the median of all slopes between two samples, dashed below), after the first quarter \
             (shaded), in which caches fill.</p></details>"
        )
    }

    fn table(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(
            "<div class=\"wide\"><table><thead><tr><th></th><th>What</th><th>Measured</th><th>Limit</th></tr>\
             </thead><tbody>",
        )?;
        for Verdict { what, measured, limit, is_good } in self.verdicts {
            let class = if *is_good { "good" } else { "bad" };
            let (what, measured, limit) = (escaped(what), escaped(measured), escaped(limit));
            write!(
                out,
                "<tr><td class=\"{class}\">{}</td><td>{what}</td><td>{measured}</td><td>{limit}</td></tr>",
                mark(*is_good)
            )?;
        }
        out.write_str("</tbody></table></div>")
    }

    fn charts(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let series = all_series(self.samples);
        out.write_str("<div class=\"charts\">")?;
        for group in series.chunk_by(|one, next| one.chart == next.chart) {
            Chart { samples: self.samples, group }.draw(out)?;
        }
        out.write_str("</div>")
    }

    fn doings(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "<h2>What people did</h2><p>{} requests in all.</p><ul>", self.notes.requests)?;
        for (action, times) in &self.notes.actions {
            write!(out, "<li>{action}: {times}</li>")?;
        }
        out.write_str("</ul>")?;
        if !self.notes.told.is_empty() {
            write!(out, "<h2>What went wrong</h2><p>{} times; the first:</p><ul>", self.notes.troubles)?;
            for trouble in &self.notes.told {
                write!(out, "<li><code>{}</code></li>", escaped(trouble))?;
            }
            out.write_str("</ul>")?;
        }
        Ok(())
    }
}

/// Some series over the same time.
struct Chart<'a> {
    samples: &'a [Sample],
    group: &'a [Series],
}

impl Chart<'_> {
    fn draw(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Some(first) = self.group.first() else { return Ok(()) };
        let title = escaped(first.chart);
        write!(out, "<figure><figcaption><b>{title}</b>")?;
        for (number, series) in self.group.iter().enumerate() {
            let last = series.values.last().map_or(String::new(), |&last| amount(last, series.unit));
            let name = escaped(&series.name);
            write!(out, " <span class=\"key s{number}\">{name} <small>{last}</small></span>")?;
        }
        let unit = first.unit;
        let top =
            round_up(self.group.iter().flat_map(|series| &series.values).copied().fold(0.0, f64::max), unit);
        write!(
            out,
            "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title} over time\">"
        )?;
        let warm = self.x(self.end() * WARM_UP_SHARE) - LEFT;
        let height = HEIGHT - TOP - BOTTOM;
        write!(
            out,
            "<rect class=\"warm\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{warm:.1}\" height=\"{height}\"/>"
        )?;
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            let y = y(value, top);
            let words = amount(value, unit);
            let (end, words_end) = (WIDTH - RIGHT, LEFT - 6.0);
            write!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}\"/><text class=\"left\" x=\"{words_end}\" y=\"{:.1}\">{words}</text>",
                y + 4.0
            )?;
        }
        for step in 0..=4 {
            let at = self.end() * f64::from(step) / 4.0;
            let words = clock(at);
            write!(
                out,
                "<text class=\"below\" x=\"{:.1}\" y=\"{}\">{words}</text>",
                self.x(at),
                HEIGHT - 8.0
            )?;
        }
        for (number, series) in self.group.iter().enumerate() {
            self.line(out, number, series, top)?;
        }
        out.write_str("</svg></figure>")
    }

    fn line(&self, out: &mut Formatter<'_>, number: usize, series: &Series, top: f64) -> fmt::Result {
        let step = self.samples.len().div_ceil(MOST_POINTS).max(1);
        let points = self.samples.iter().zip(&series.values).step_by(step);
        let points = points.map(|(sample, &value)| (self.x(sample.at_seconds), y(value, top)));
        write!(
            out,
            "<path class=\"line s{number}\" d=\"{}\"><title>{}</title></path>",
            path(points),
            escaped(&series.name)
        )?;
        if series.allowed.is_none() {
            return Ok(());
        }
        let judged = judged(self.samples);
        let values = &series.values[self.samples.len() - judged.len()..];
        let jobs = jobs(judged);
        let Trend { per_job, level, at_jobs, .. } = trend(&jobs, values);
        let on_trend = judged.iter().zip(&jobs).step_by(step);
        let on_trend = on_trend
            .map(|(sample, jobs)| (self.x(sample.at_seconds), y(level + per_job * (jobs - at_jobs), top)));
        write!(out, "<path class=\"trend s{number}\" d=\"{}\"/>", path(on_trend))
    }

    fn end(&self) -> f64 {
        self.samples.last().map_or(1.0, |sample| sample.at_seconds).max(1.0)
    }

    fn x(&self, at_seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * at_seconds / self.end()
    }
}

fn y(value: f64, top: f64) -> f64 {
    TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / top)
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        write!(path, "{letter}{x:.1} {y:.1}").expect("a string takes everything");
    }
    path
}

/// A number not below that has four even parts.
fn round_up(value: f64, unit: Unit) -> f64 {
    let mut power: f64 = match unit {
        Unit::Bytes => 8.0 * 1024.0,
        Unit::Count => 8.0,
    };
    while power * 1.5 < value {
        power *= 2.0;
    }
    if value <= power { power } else { power * 1.5 }
}

fn clock(seconds: f64) -> String {
    if seconds >= 2.0 * 3600.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else if seconds >= 120.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{seconds:.0} s")
    }
}

fn mark(is_good: bool) -> &'static str {
    if is_good { "✓" } else { "✗" }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::soak::sample::Process;
    use crate::world::{Programs, WorldOptions};

    fn options() -> SoakOptions {
        let nowhere = PathBuf::new;
        let (server, worker, engine) = (nowhere(), nowhere(), nowhere());
        let (redis, frontend, site) = (nowhere(), nowhere(), nowhere());
        let programs = Programs { server, worker, engine, redis, frontend, site, shim: None, comfyui: None };
        let folder = nowhere();
        let world =
            WorldOptions { folder, programs, seats: 20, seed: 1, workers: 2, engine_fault_percent: 0 };
        SoakOptions { world, hours: 8.0, compression: 48.0 }
    }

    fn samples() -> Vec<Sample> {
        let sample = |number: u32| Sample {
            at_seconds: f64::from(number),
            jobs: number + 1,
            jobs_ended: number,
            processes: BTreeMap::from([(
                "server".to_owned(),
                Process { memory_bytes: 1 << 26, files: 20, sockets: 5, threads: 4 },
            )]),
            database_bytes: u64::from(number) << 12,
            wal_bytes: 0,
            redis_bytes: 1 << 20,
            redis_keys: 3,
            seat_files: 7,
        };
        (0..1500).map(sample).collect()
    }

    #[test]
    fn a_report_shows_everything_and_fetches_and_runs_nothing() {
        let samples = samples();
        let verdict = |is_good| Verdict {
            what: "Memory <of> server".to_owned(),
            measured: "+1 KiB".to_owned(),
            limit: "nothing".to_owned(),
            is_good,
        };
        let notes = Notes { told: vec!["/x: <script>".to_owned()], ..Notes::default() };
        let options = options();
        let verdicts = [verdict(true), verdict(false)];
        let report = Report {
            options: &options,
            verdicts: &verdicts,
            samples: &samples,
            notes: &notes,
            after: &samples[1499],
        };
        let page = report.to_string();
        let charts = all_series(&samples).chunk_by(|one, next| one.chart == next.chart).count();
        assert_eq!(page.matches("<svg").count(), charts);
        assert!(page.contains("One thing is not as it should be") && page.contains("1499 jobs ended"));
        assert!(page.contains("Memory &lt;of&gt; server") && page.contains("&lt;script&gt;"));
        for foreign in ["<script", "http:", "https:", "src=", "href=", "@import", "NaN", "inf"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.len() < 600_000, "{} bytes", page.len());
    }

    #[test]
    fn axes_end_on_even_numbers() {
        assert_eq!(round_up(0.0, Unit::Count), 8.0);
        assert_eq!(round_up(9.0, Unit::Count), 12.0);
        assert_eq!(round_up(13.0, Unit::Count), 16.0);
        assert_eq!(round_up(5.0 * 1024.0 * 1024.0, Unit::Bytes), 6.0 * 1024.0 * 1024.0);
    }

    #[test]
    fn what_was_told_cannot_become_part_of_the_page() {
        assert_eq!(escaped("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }

    #[test]
    fn a_line_goes_from_point_to_point() {
        assert_eq!(path([(0.0, 1.0), (2.0, 3.05)].into_iter()), "M0.0 1.0L2.0 3.0");
    }
}
