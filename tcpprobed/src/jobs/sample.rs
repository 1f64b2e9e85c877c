//! A sample: what a job would record, counted for a moment.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tcpprobe::file::block::{BlockBuilder, PointerKey, Seal};
use tcpprobe::file::{Kind, put_frame};
use tcpprobe::kernel::format::PageLayout;
use tcpprobe::kernel::page::Page;

use super::scratch_instance::BUFFER_KB_MAX;
use super::{JobError, Jobs, Plan};
use crate::capture::{BLOCK_AGE, BLOCK_EVENTS, Comms, Residuals, Verdict, raise_priority};
use crate::tracefs::{CpuReader, Instance, ReadOutcome, StatsFile, Tracefs};

/// How long a sample counts.
const SAMPLE_TIME: Duration = Duration::from_secs(2);
/// How often the buffer is emptied: this takes 200,000 events a second and CPU to fill it.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// What a job would have recorded in a short time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// How long it was counted.
    pub duration: Duration,
    /// By event, in the order of the plan: those that would be stored, and those that the residual left out.
    pub events: Vec<(u64, u64)>,
    /// Bytes of the blocks that they became.
    pub bytes: u64,
    /// Events that came faster than they were read.
    pub lost: u64,
}

impl Jobs {
    /// Counts for two seconds what a job of this plan would record. Nothing of it is kept.
    ///
    /// # Errors
    /// What starting the job would fail with.
    pub fn sample(&self, plan: &Plan) -> Result<Sample, JobError> {
        let layout = self.tracefs.page_layout()?;
        self.with_scratch(plan, |instance, _| {
            let cpus = instance.cpus()?;
            let readers = cpus.iter().map(|&cpu| Ok((cpu, CpuReader::open(instance, cpu)?)));
            let readers = readers.collect::<Result<Vec<_>, JobError>>()?;
            let mut counter = Counter::new(plan, self.tracefs.clone())?;
            // A thread of its own, with the priority that a capture has.
            let counted = thread::scope(|scope| {
                let counting = scope.spawn(|| {
                    raise_priority();
                    counter.count(instance, &readers, layout)
                });
                counting.join()
            });
            counted.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            for cpu in cpus {
                counter.sample.lost += StatsFile::open(instance, cpu)?.read()?.lost();
            }
            Ok(counter.sample)
        })
    }
}

/// Counts what comes, and how small it gets.
struct Counter {
    sample: Sample,
    residuals: Residuals,
    comms: Comms,
    builder: BlockBuilder,
    /// Costs as many bytes as any other.
    key: PointerKey,
    sealed: Instant,
    page: Vec<u8>,
    block: Vec<u8>,
}

impl Counter {
    fn new(plan: &Plan, tracefs: Tracefs) -> Result<Self, JobError> {
        let schema = plan.schema()?;
        Ok(Counter {
            sample: Sample { events: vec![(0, 0); plan.events.len()], ..Sample::default() },
            residuals: plan.residuals(),
            comms: Comms::new(tracefs),
            builder: BlockBuilder::new(Arc::clone(&schema)),
            key: PointerKey::new([0; 16]),
            sealed: Instant::now(),
            page: Vec::new(),
            block: Vec::new(),
        })
    }

    /// Counts as long as a sample takes.
    fn count(&mut self, instance: &Instance, readers: &[(u32, CpuReader)], layout: PageLayout) -> Result<(), JobError> {
        let began = Instant::now();
        instance.set_tracing(true)?;
        while began.elapsed() < SAMPLE_TIME {
            thread::sleep(LOOK_INTERVAL);
            self.take(readers, layout)?;
        }
        instance.set_tracing(false)?;
        self.sample.duration = began.elapsed();
        self.take(readers, layout)?;
        self.seal();
        Ok(())
    }

    /// Reads everything that is there: a buffer full, where more comes as fast as it is read.
    fn take(&mut self, readers: &[(u32, CpuReader)], layout: PageLayout) -> Result<(), JobError> {
        for (cpu, reader) in readers {
            self.page.resize(reader.subbuf_bytes(), 0);
            let mut page = std::mem::take(&mut self.page);
            // One more is being written, and one is the reader's.
            for _ in 0..(BUFFER_KB_MAX as usize * 1024).div_ceil(page.len()) + 2 {
                let ReadOutcome::Page(length) = reader.read(&mut page)? else { break };
                if let Ok(page) = Page::parse(layout, &page[..length]) {
                    page.records().for_each(|(time, record)| self.add(*cpu, time, record));
                }
            }
            self.page = page;
        }
        self.release();
        if self.sealed.elapsed() >= BLOCK_AGE {
            self.seal();
        }
        Ok(())
    }

    fn add(&mut self, cpu: u32, time: u64, record: &[u8]) {
        let id = record.first_chunk().map(|id| u16::from_le_bytes(*id));
        let Some(index) = id.and_then(|id| self.builder.schema().index_of(id)) else { return };
        match self.residuals.verdict(index, cpu, (time, record), &mut self.comms) {
            Verdict::Stored => self.store(index, cpu, (time, record)),
            Verdict::Filtered | Verdict::Held => self.sample.events[index].1 += 1,
        }
    }

    /// Those that were held are in the count of the filtered ones.
    fn release(&mut self) {
        let Counter { residuals, comms, builder, sample, .. } = self;
        residuals.release(u64::MAX, comms, |cpu, time, record| {
            let id = record.first_chunk().map(|id| u16::from_le_bytes(*id));
            if let Some(index) = id.and_then(|id| builder.schema().index_of(id)) {
                sample.events[index].1 -= 1;
                sample.events[index].0 += u64::from(builder.push(cpu, &[(time, record)]) == 0);
            }
        });
    }

    fn store(&mut self, index: usize, cpu: u32, (time, record): (u64, &[u8])) {
        if self.builder.push(cpu, &[(time, record)]) == 0 {
            self.sample.events[index].0 += 1;
        }
        if self.builder.len() >= BLOCK_EVENTS {
            self.seal();
        }
    }

    fn seal(&mut self) {
        self.sealed = Instant::now();
        if self.builder.is_empty() {
            return;
        }
        let (builder, key) = (&mut self.builder, &self.key);
        self.block.clear();
        put_frame(Kind::Block, &mut self.block, |out| builder.seal(&Seal::default(), Some(key), |_| None, out));
        self.sample.bytes += self.block.len() as u64;
    }
}
