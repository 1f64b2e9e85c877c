//! `top`: the connections of jobs as they are now.

use std::collections::{HashMap, HashSet};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Signal, getpid, kill_process};
use tcpprobe_client::Client;
use tcpprobe_proto::v1::JobState;

use super::{print, print_json_line};
use crate::cli::TopArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::{Interrupt, Stops};
use crate::job;
use crate::paint::Paint;
use crate::top::feed::Feed;
use crate::top::keys;
use crate::top::model::{Action, Details, JobLine, Model};
use crate::top::row::{Headline, Key};
use crate::top::terminal::{Input, Screen};
use crate::top::{plain, screen, terminal};
use crate::value::timestamp;

/// Jobs at most.
const JOBS_MAX: usize = 16;
/// How soon a signal is noticed.
const PATIENCE: Duration = Duration::from_millis(50);
/// What was recorded before is read for so long before anything is shown.
const CATCH_UP: Duration = Duration::from_secs(10);
/// Time for a tidy end.
const GRACE: Duration = Duration::from_secs(2);
/// Rows of a table.
const TOP: usize = 40;

pub fn run(socket: &Path, args: &TopArgs) -> Result<Exit> {
    let filter = args.filter.as_deref().unwrap_or_default();
    let mut top =
        Top { model: Model::new(filter, args.sort)?, feeds: Vec::new(), ticked: Instant::now(), events: None };
    let names = names(&Client::connect(socket)?, &args.names)?;
    let interrupt = Interrupt::install()?;
    top.feeds = names.iter().map(|name| Feed::start(socket, name)).collect();
    let is_whole = io::stdout().is_terminal() && !args.json;
    if is_whole {
        top.on_screen(args, &interrupt)?
    } else {
        top.printed(args, &interrupt)?
    }
    Ok(top.sums())
}

/// The jobs to be shown, which must run.
fn names(client: &Client, asked: &[String]) -> Result<Vec<String>> {
    if asked.is_empty() {
        let jobs = client.list()?;
        let running = jobs.iter().filter(|job| job.state() == JobState::Running).map(|job| job::name(job).to_owned());
        let mut running: Vec<String> = running.collect();
        if running.is_empty() {
            let hint = "start one: tcpprobectl start NAME";
            return Err(Failure::new(Exit::NoData, "no job runs", hint).into());
        }
        if running.len() > JOBS_MAX {
            crate::say(&format!("{} jobs run, and {JOBS_MAX} are shown; name those that you want", running.len()));
            running.truncate(JOBS_MAX);
        }
        return Ok(running);
    }
    let mut names: Vec<String> = Vec::new();
    for name in asked {
        if client.get(name)?.state() != JobState::Running {
            let hint = format!("start it, or see what it recorded: tcpprobectl summary {name}");
            return Err(Failure::new(Exit::NoData, format!("job {name} does not run"), hint).into());
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// The jobs, and what is shown of them.
struct Top {
    model: Model,
    feeds: Vec<Feed>,
    ticked: Instant,
    /// Events up to the last tick, once there was one.
    events: Option<u64>,
}

impl Top {
    /// Takes over the terminal, until the user has seen enough.
    fn on_screen(&mut self, args: &TopArgs, interrupt: &Interrupt) -> Result<()> {
        let is_coloured = Paint::stdout().is_on();
        let stops = Stops::install()?;
        end_after(interrupt.clone());
        let mut terminal = Screen::take()?;
        let (mut next, mut left) = (Instant::now(), args.times);
        let began = Instant::now();
        while !interrupt.came() && !self.model.is_over {
            if stops.was_continued() {
                terminal.lend(|| {})?;
            }
            if stops.came() {
                terminal.lend(stop)?;
            }
            self.fail()?;
            self.model.resize(screen::rows(terminal.height()?));
            let is_first = self.events.is_none();
            if Instant::now() >= next && (!is_first || self.is_current() || began.elapsed() > CATCH_UP) {
                next = Instant::now() + args.delay;
                self.tick();
                left = left.map(|left| left.saturating_sub(u64::from(!is_first)));
            }
            self.learn();
            terminal.draw(|frame| screen::draw(&self.model, is_coloured, frame))?;
            if left == Some(0) {
                break;
            }
            self.wait(next, interrupt, &stops, &mut terminal)?;
        }
        Ok(())
    }

    /// Waits for a key, a signal, or the next tick.
    fn wait(&mut self, next: Instant, interrupt: &Interrupt, stops: &Stops, terminal: &mut Screen) -> Result<()> {
        loop {
            let patience = next.saturating_duration_since(Instant::now()).min(PATIENCE);
            match terminal.input(patience)? {
                Input::Nothing => {}
                // There is nobody to show anything to.
                Input::Gone => {
                    self.model.is_over = true;
                    return Ok(());
                }
                Input::Event(event) => {
                    match keys::action(&event, &self.model) {
                        Some(Action::Suspend) => terminal.lend(stop)?,
                        Some(action) => self.model.act(action),
                        None => {}
                    }
                    return Ok(());
                }
            }
            if interrupt.came() || stops.is_any() || Instant::now() >= next || self.feeds.iter().any(Feed::has_failed) {
                return Ok(());
            }
        }
    }

    /// Prints tables, or lines of JSON.
    fn printed(&mut self, args: &TopArgs, interrupt: &Interrupt) -> Result<()> {
        let most = args.top.unwrap_or(if args.json { usize::MAX } else { TOP });
        let mut left = args.times.or(if args.json { None } else { Some(1) });
        let began = Instant::now();
        while !self.is_current() && began.elapsed() < CATCH_UP && !interrupt.came() {
            self.fail()?;
            thread::sleep(PATIENCE);
        }
        self.tick();
        self.model.resize(most);
        while left != Some(0) {
            let next = Instant::now() + args.delay;
            while Instant::now() < next {
                if interrupt.came() {
                    return Ok(());
                }
                thread::sleep(PATIENCE.min(next.saturating_duration_since(Instant::now())));
            }
            self.fail()?;
            self.tick();
            self.model.resize(most);
            self.learn();
            match args.json {
                true => print_json_line(&plain::json(&self.model, timestamp::now()))?,
                false => print(&plain::table(&self.model, Paint::stdout()))?,
            }
            left = left.map(|left| left - 1);
            if self.feeds.iter().all(|feed| feed.standing().has_ended) {
                break;
            }
        }
        Ok(())
    }

    /// Whether all that was there has been read.
    fn is_current(&self) -> bool {
        self.feeds.iter().all(|feed| feed.standing().is_current || feed.standing().has_ended)
    }

    /// Fails where a job cannot be read any more.
    fn fail(&self) -> Result<()> {
        self.feeds.iter().find_map(Feed::take_error).map_or(Ok(()), Err)
    }

    /// Ends a stretch of time.
    fn tick(&mut self) {
        let elapsed = self.ticked.elapsed();
        self.ticked = Instant::now();
        let (mut rows, mut events) = (Vec::new(), 0);
        let mut jobs = Vec::new();
        for (number, feed) in self.feeds.iter().enumerate() {
            feed.tick(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
            feed.rows(number, &mut rows);
            let standing = feed.standing();
            events += standing.events;
            jobs.push(JobLine { name: feed.name.to_string(), standing });
        }
        // What was recorded before it began is no rate.
        let new = self.events.map_or(0, |before| events.saturating_sub(before));
        self.events = Some(events);
        self.model.take(rows, jobs, new as f64 / elapsed.as_secs_f64().max(1e-9));
        if let Some((job, id)) = self.model.details_of.filter(|_| !self.model.is_paused) {
            self.model.details = self.details(job, id);
        }
    }

    /// Finds out what is shown and not known yet.
    fn learn(&mut self) {
        let mut asked: HashMap<usize, HashSet<u64>> = HashMap::new();
        for (job, id) in self.model.asks() {
            asked.entry(job).or_default().insert(id);
        }
        for (job, ids) in asked {
            let found = self.feeds[job].diagnoses(&ids);
            let headlines = found.iter().map(|found| ((job, found.connection.id), Headline::of(found)));
            let headlines: Vec<(Key, Headline)> = headlines.collect();
            self.model.answer(headlines);
        }
        if let Some((job, id)) = self.model.details_of
            && self.model.details.diagnosis.is_none()
        {
            self.model.details = self.details(job, id);
        }
    }

    fn details(&self, job: usize, id: u64) -> Details {
        let diagnosis = self.feeds[job].diagnoses(&HashSet::from([id])).pop();
        Details { history: self.feeds[job].history(id), diagnosis }
    }

    /// Tells what was lost.
    fn sums(&self) -> Exit {
        let mut exit = Exit::Ok;
        for feed in &self.feeds {
            let sums = feed.sums();
            exit = if exit == Exit::Ok { sums } else { exit };
        }
        exit
    }
}

/// Ends the program some time after a signal, should it hang at a terminal that went away in the middle of something.
fn end_after(interrupt: Interrupt) {
    thread::spawn(move || {
        while !interrupt.came() {
            thread::sleep(GRACE / 4);
        }
        thread::sleep(GRACE);
        terminal::give_back();
        process::exit(Exit::Failed as i32);
    });
}

/// Stops this program until it is continued, as Ctrl-Z does.
fn stop() {
    let _ = kill_process(getpid(), Signal::STOP);
}
