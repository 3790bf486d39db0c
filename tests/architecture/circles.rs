//! Finds circles of files: each uses an item that is defined in the next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tokens::{tokens, without_tests};

/// A file's module path, as in `["cache", "state"]`. The crate's root has an empty one.
pub(crate) type ModulePath = Vec<String>;

/// The files of a crate and the items that each of them uses.
#[derive(Default)]
pub(crate) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

/// A module, in a separate file or inline.
#[derive(Default)]
struct Module {
    file: ModulePath,
    /// The items that are defined here, without modules.
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths in the code outside of imports.
    paths: Vec<Vec<String>>,
    /// All identifiers in the code outside of imports.
    words: BTreeSet<String>,
    test_modules: BTreeSet<String>,
}

struct Import {
    path: Vec<String>,
    /// The name it has here; `*` for all that the module has.
    name: String,
    public: bool,
}

const DEFINING: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

impl Crate {
    pub(crate) fn add(&mut self, path: ModulePath, text: &str) {
        let all = tokens(text);
        let (tokens, test_modules) = without_tests(&all);
        let module = Module { file: path.clone(), ..Module::default() };
        let mut stack = vec![(path, module, 0)];
        let mut depth = 0_usize;
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at];
            let before = at.checked_sub(1).map_or("", |before| tokens[before]);
            let next = tokens.get(at + 1).copied().unwrap_or_default();
            let statement = matches!(before, "" | ";" | "{" | "}" | "]" | ")" | "pub");
            let (path, module, inside) = stack.last_mut().unwrap();
            match token {
                "use" if statement => {
                    let public = matches!(before, "pub" | ")");
                    at +=
                        1 + import(&tokens[at + 1..], &mut Vec::new(), public, &mut module.imports);
                }
                "mod" if statement && tokens.get(at + 2) == Some(&"{") => {
                    let mut inline = path.clone();
                    inline.push(next.to_owned());
                    let file = module.file.clone();
                    depth += 1;
                    stack.push((inline, Module { file, ..Module::default() }, depth));
                    at += 2;
                }
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    if depth < *inside {
                        let (path, module, _) = stack.pop().unwrap();
                        self.modules.insert(path, module);
                    }
                }
                "macro_rules" if next == "!" && depth == *inside => {
                    module.items.extend(tokens.get(at + 2).map(|&name| name.to_owned()));
                }
                _ if DEFINING.contains(&token) && depth == *inside && is_identifier(next) => {
                    module.items.insert(next.to_owned());
                    at += 1;
                }
                _ if is_identifier(token) => {
                    module.words.insert(token.to_owned());
                    if next == "::" && before != "::" {
                        module.paths.push(path_at(&tokens[at..]));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        let (path, mut module, _) = stack.swap_remove(0);
        module.test_modules = test_modules.into_iter().map(str::to_owned).collect();
        self.modules.insert(path, module);
    }

    /// Whether a module is compiled for tests only.
    fn is_test(&self, path: &[String]) -> bool {
        (0..path.len()).any(|end| {
            let parent = self.modules.get(&path[..end]);
            parent.is_some_and(|parent| parent.test_modules.contains(&path[end]))
        })
    }

    /// The file that defines the item at a path, seen from a module. `None`: a module, or an item
    /// of another crate.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<&ModulePath> {
        let (module, rest) = self.walk(from, path, 0)?;
        (!rest.is_empty()).then_some(&self.modules[&module].file)
    }

    /// The module that a path leads to, with the segments that name an item defined in it.
    fn walk<'p>(
        &self,
        from: &[String],
        path: &'p [String],
        depth: usize,
    ) -> Option<(ModulePath, &'p [String])> {
        if depth > 16 {
            return None;
        }
        let mut at = from.to_vec();
        let mut rest = path;
        match path[0].as_str() {
            "crate" => (at, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            first => {
                let module = self.modules.get(from)?;
                let mut child = from.to_vec();
                child.push(first.to_owned());
                let known = self.modules.contains_key(&child)
                    || module.items.contains(first)
                    || module.imports.iter().any(|import| import.name == first);
                if !known {
                    return None;
                }
            }
        }
        while rest.first().is_some_and(|segment| segment == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        while let Some(segment) = rest.first() {
            let module = self.modules.get(&at)?;
            let mut child = at.clone();
            child.push(segment.clone());
            if self.modules.contains_key(&child) {
                (at, rest) = (child, &rest[1..]);
                continue;
            }
            if module.items.contains(segment) {
                return Some((at, rest));
            }
            let import = module.imports.iter().find(|import| import.name == *segment);
            let target = import.map(|import| self.walk(&at, &import.path, depth + 1));
            match target {
                // An imported module: go on from there.
                Some(Some((module, []))) => (at, rest) = (module, &rest[1..]),
                Some(Some((module, _))) => return Some((module, rest)),
                // Of another crate.
                Some(None) => return None,
                // Such as an item that a macro makes.
                None => return Some((at, rest)),
            }
        }
        Some((at, rest))
    }

    /// The files that each file uses, with the first item that it uses of each. A file that only
    /// passes an item on does not use it.
    fn edges(&self) -> Edges<'_> {
        let mut edges = Edges::new();
        for (path, module) in self.modules.iter().filter(|(path, _)| !self.is_test(path)) {
            let imports = module.imports.iter();
            let used = imports.filter(|it| !it.public || module.words.contains(&it.name));
            for target in used.map(|import| &import.path).chain(&module.paths) {
                let file = self.resolve(path, target).filter(|file| **file != module.file);
                let Some(file) = file else { continue };
                edges.entry(&module.file).or_default().entry(file).or_insert(target.join("::"));
            }
        }
        edges
    }

    /// A shortest circle through each file that is in one, each circle once.
    pub(crate) fn circles(&self) -> Vec<Vec<Step>> {
        let edges = self.edges();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for start in edges.keys() {
            let Some(circle) = shortest_circle(&edges, start) else { continue };
            let files: BTreeSet<_> = circle.iter().copied().collect();
            if seen.insert(files) {
                let nexts = circle.iter().cycle().skip(1);
                let steps = circle.iter().zip(nexts).map(|(file, next)| Step {
                    file: file.join("::"),
                    uses: edges[file][next].clone(),
                });
                found.push(steps.collect());
            }
        }
        found
    }
}

type Edges<'a> = BTreeMap<&'a ModulePath, BTreeMap<&'a ModulePath, String>>;

/// One file of a circle, with what it uses of the next.
pub(crate) struct Step {
    pub(crate) file: String,
    pub(crate) uses: String,
}

fn shortest_circle<'a>(edges: &Edges<'a>, start: &'a ModulePath) -> Option<Vec<&'a ModulePath>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for &next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut circle = vec![file];
                while let Some(&before) = came_from.get(circle.last().unwrap()) {
                    circle.push(before);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The path at the beginning. It ends before generic arguments, a group or a glob.
fn path_at(tokens: &[&str]) -> Vec<String> {
    let mut path = vec![tokens[0].to_owned()];
    for pair in tokens[1..].chunks_exact(2) {
        match pair {
            ["::", name] if is_identifier(name) => path.push((*name).to_owned()),
            _ => break,
        }
    }
    path
}

/// Reads an import after `use`, or one branch of it, and returns its length.
fn import(
    tokens: &[&str],
    prefix: &mut Vec<String>,
    public: bool,
    into: &mut Vec<Import>,
) -> usize {
    let outer = prefix.len();
    let mut at = 0;
    let mut alias = None;
    let mut branched = false;
    while at < tokens.len() {
        match tokens[at] {
            ";" | "," | "}" => break,
            "::" => {}
            "{" => {
                branched = true;
                at += 1;
                while tokens[at] != "}" {
                    at += import(&tokens[at..], prefix, public, into);
                    at += usize::from(tokens[at] == ",");
                }
            }
            "*" => {
                prefix.push("*".to_owned());
            }
            "as" => {
                alias = Some(tokens[at + 1].to_owned());
                at += 1;
            }
            // In a group, the module itself.
            "self" if outer > 0 => {}
            name => prefix.push(name.to_owned()),
        }
        at += 1;
    }
    if !branched && !prefix.is_empty() {
        let name = alias.unwrap_or_else(|| prefix.last().unwrap().clone());
        into.push(Import { path: prefix.clone(), name, public });
    }
    prefix.truncate(outer);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let mut found = Crate::default();
        for (path, text) in files {
            let path = path.split("::").filter(|part| !part.is_empty()).map(str::to_owned);
            found.add(path.collect(), text);
        }
        let files = |circle: &Vec<Step>| circle.iter().map(|step| step.file.clone()).collect();
        found.circles().iter().map(files).map(|files: Vec<_>| files.join(" > ")).collect()
    }

    #[test]
    fn a_planted_circle_is_found() {
        let files = [
            ("", "mod a; mod b; mod c; mod d;"),
            ("a", "use crate::b::B; pub struct A;"),
            ("b", "pub struct B; fn f() -> super::c::C { todo() }"),
            ("c", "use crate::{a::{self, other}, d}; pub struct C; impl From<a::A> for C {}"),
            ("d", "pub struct D(crate::a::A);"),
        ];
        assert_eq!(circles(&files), ["a > b > c"]);
    }

    #[test]
    fn a_name_leads_to_the_file_that_defines_it() {
        let parent = "mod x; mod y; pub use x::X; pub(crate) use y::{Y as Why, why};";
        let files = |x: &'static str, y: &'static str| {
            [("", "pub mod p;"), ("p", parent), ("p::x", x), ("p::y", y)]
        };
        let x = "pub struct X; fn f(it: &super::Why) {}";
        assert!(circles(&files(x, "pub struct Y; pub fn why() {}")).is_empty());
        let y = "use crate::p; pub struct Y; fn f() { p::X::new() } pub fn why() {}";
        assert_eq!(circles(&files(x, y)), ["p::x > p::y"]);
    }

    #[test]
    fn a_parent_that_uses_its_child_defines_nothing_for_it() {
        let child = "use super::Shared; pub struct Child; impl Shared { fn f() {} }";
        let uses = "mod child; use child::Child; pub struct Shared(Child);";
        assert_eq!(circles(&[("p", uses), ("p::child", child)]), ["p > p::child"]);
        let passes_on = "mod child; pub use child::Child; pub struct Shared;";
        assert!(circles(&[("p", passes_on), ("p::child", child)]).is_empty());
        let both = "mod child; pub use child::Child; pub struct Shared(Child);";
        assert_eq!(circles(&[("p", both), ("p::child", child)]), ["p > p::child"]);
    }

    #[test]
    fn tests_are_not_in_a_circle() {
        let p = "pub struct P; #[cfg(test)] mod more; #[cfg(test)] mod tests { use crate::q::Q; }";
        let q = "use crate::p::P; pub struct Q;";
        let more = "use crate::q::Q; use super::P; pub struct More;";
        let files = [("", "mod p; mod q;"), ("p", p), ("p::more", more), ("q", q)];
        assert!(circles(&files).is_empty());
    }

    #[test]
    fn globs_and_inline_modules_are_followed() {
        let files = [
            ("", "mod p; mod q; mod r;"),
            ("p", "mod inner { use crate::q::Q; pub fn f() { super::g() } } fn g() {}"),
            ("q", "use crate::r::*; pub struct Q(R);"),
            ("r", "pub struct R; fn f() { crate::p::inner::f() }"),
        ];
        assert_eq!(circles(&files), ["p > q > r"]);
    }
}
