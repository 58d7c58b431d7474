//! Visits a node's sources before the node, as ComfyUI's recursion does, on a stack of
//! its own.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::InputFiles;
use super::errors::{self, Exception};
use super::node::{NodeCheck, Step};

/// How many cycles the answer tells of.
const MAX_CYCLES: usize = 5;

/// What is known of one node.
struct Verdict {
    is_valid: bool,
    errors: Vec<Value>,
}

pub(super) struct Walk<'a> {
    prompt: &'a Map<String, Value>,
    catalog: &'a Map<String, Value>,
    files: &'a dyn InputFiles,
    verdicts: HashMap<&'a str, Verdict>,
    /// The visited nodes, sources first.
    order: Vec<&'a str>,
    converted: Map<String, Value>,
    /// The cycles that were met, as text.
    cycles: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        prompt: &'a Map<String, Value>,
        catalog: &'a Map<String, Value>,
        files: &'a dyn InputFiles,
    ) -> Self {
        Self {
            prompt,
            catalog,
            files,
            verdicts: HashMap::new(),
            order: Vec::new(),
            converted: prompt.clone(),
            cycles: Vec::new(),
        }
    }

    pub(super) fn is_valid(&self, id: &str) -> bool {
        self.verdicts.get(id).is_some_and(|verdict| verdict.is_valid)
    }

    pub(super) fn errors(&self, id: &str) -> &[Value] {
        self.verdicts.get(id).map_or(&[], |verdict| &verdict.errors)
    }

    pub(super) fn visited(&self) -> &[&'a str] {
        &self.order
    }

    pub(super) fn cycles(&self) -> &[String] {
        &self.cycles
    }

    pub(super) fn into_converted(self) -> Map<String, Value> {
        self.converted
    }

    /// Comes to a verdict on `root` and everything that it needs.
    pub(super) fn visit(&mut self, root: &'a str) {
        if self.verdicts.contains_key(root) {
            return;
        }
        let mut stack: Vec<NodeCheck<'a>> = Vec::new();
        let mut on_stack: HashSet<&'a str> = HashSet::new();
        self.enter(root, &mut stack, &mut on_stack);
        while let Some(check) = stack.last_mut() {
            let step = check.step(self.prompt, self.catalog, |id| {
                let verdict = self.verdicts.get(id)?;
                Some(verdict.is_valid)
            });
            match step {
                Step::Needs(source) if on_stack.contains(source) => {
                    let path = cycle(&stack, source).join(" -> ");
                    if self.cycles.len() < MAX_CYCLES {
                        self.cycles.push(path);
                    }
                    if let Some(check) = stack.last_mut() {
                        check.reject_source();
                    }
                }
                Step::Needs(source) => self.enter(source, &mut stack, &mut on_stack),
                Step::Raised(exception) => {
                    let Some(check) = stack.pop() else { return };
                    on_stack.remove(check.id);
                    self.record_exception(check.id, stack.last(), &exception);
                }
                Step::Done => {
                    let Some(check) = stack.pop() else { return };
                    on_stack.remove(check.id);
                    self.finish(check);
                }
            }
        }
    }

    fn enter(&mut self, id: &'a str, stack: &mut Vec<NodeCheck<'a>>, on_stack: &mut HashSet<&'a str>) {
        match NodeCheck::open(id, self.prompt, self.catalog) {
            Ok(check) => {
                on_stack.insert(id);
                stack.push(check);
            }
            Err(exception) => self.record_exception(id, stack.last(), &exception),
        }
    }

    fn finish(&mut self, check: NodeCheck<'a>) {
        let id = check.id;
        let outcome = check.finish(self.files);
        let inputs =
            self.converted.get_mut(id).and_then(|node| node.get_mut("inputs")).and_then(Value::as_object_mut);
        if let Some(inputs) = inputs {
            for (name, value) in outcome.converted {
                inputs.insert(name.to_owned(), value);
            }
        }
        let is_valid = outcome.is_valid && outcome.errors.is_empty();
        self.record(id, Verdict { is_valid, errors: outcome.errors });
    }

    /// ComfyUI reports what a node raises with the input that leads to it.
    fn record_exception(&mut self, id: &'a str, consumer: Option<&NodeCheck<'a>>, exception: &Exception) {
        let error = match consumer.and_then(NodeCheck::current_link) {
            Some((name, config, link)) => {
                errors::exception_during_inner_validation(name, config, link, exception)
            }
            None => errors::exception_during_validation(exception),
        };
        self.record(id, Verdict { is_valid: false, errors: vec![error] });
    }

    fn record(&mut self, id: &'a str, verdict: Verdict) {
        if self.verdicts.insert(id, verdict).is_none() {
            self.order.push(id);
        }
    }
}

/// The ids from `source` round to `source` again, cut short in the middle when very long.
fn cycle<'a>(stack: &[NodeCheck<'a>], source: &'a str) -> Vec<&'a str> {
    const SHOWN: usize = 20;
    let start = stack.iter().position(|check| check.id == source).unwrap_or(0);
    let ids: Vec<&str> = stack[start..].iter().map(|check| check.id).collect();
    let mut path: Vec<&str> = if ids.len() > SHOWN {
        ids[..SHOWN / 2].iter().chain(&["…"]).chain(&ids[ids.len() - SHOWN / 2..]).copied().collect()
    } else {
        ids
    };
    path.push(source);
    path
}
