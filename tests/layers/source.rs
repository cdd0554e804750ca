//! The sources as a graph: which file names what of which other, of the standard library and of crates.
//!
//! Read with syn, so that neither a list in braces nor a second test module hides anything. What is for tests
//! alone (`#[cfg(test)]`) is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A path as names: of a module below src, or in the code.
pub(crate) type Names = Vec<String>;

/// A file of src.
#[derive(Clone)]
pub(crate) struct File {
    /// Its path below src.
    pub(crate) name: String,
    /// What it names, from the root of a crate on: `crate`, `std`, or that of a crate.
    pub(crate) paths: BTreeSet<Names>,
    /// Its functions that are async or wait.
    pub(crate) is_async: bool,
    /// The macros that it calls.
    pub(crate) macros: BTreeSet<String>,
    /// What it hands on under a name of its own: `pub use`.
    exports: BTreeMap<String, Names>,
}

/// All files of src, by their module.
pub(crate) struct Sources {
    pub(crate) files: BTreeMap<Names, File>,
    /// All modules, those for tests among them.
    modules: BTreeSet<Names>,
}

impl Sources {
    /// Those of this crate.
    pub(crate) fn read() -> &'static Self {
        static READ: OnceLock<Sources> = OnceLock::new();
        READ.get_or_init(|| {
            let mut paths = Vec::new();
            collect(&src(), &mut paths);
            let parsed: Vec<_> = paths.iter().map(|path| parsed(path, "")).collect();
            let modules: BTreeSet<Names> = parsed.iter().map(|(name, _)| module(name)).collect();
            let tests: Vec<Names> =
                parsed.iter().flat_map(|(name, tree)| tests(name, tree)).collect();
            let is_for_tests = |module: &Names| tests.iter().any(|test| module.starts_with(test));
            let files = parsed
                .into_iter()
                .map(|(name, tree)| (module(&name), File::of(name, &tree, &modules)))
                .filter(|(module, _)| !is_for_tests(module))
                .collect();
            Self { files, modules }
        })
    }

    /// The same with more code in one of the files.
    pub(crate) fn with(&self, file: &str, code: &str) -> Self {
        let (name, tree) = parsed(&src().join(file), code);
        let (mut files, modules) = (self.files.clone(), self.modules.clone());
        files.insert(module(&name), File::of(name, &tree, &modules));
        Self { files, modules }
    }

    /// The file in which something is that a path names, as far as it is one of ours.
    pub(crate) fn home(&self, path: &[String]) -> Option<&Names> {
        let mut path = path.strip_prefix(&["crate".to_owned()])?.to_vec();
        // A name that is handed on is followed to where it is made.
        for _ in 0..8 {
            let depth = (0..=path.len()).rev().find(|&n| self.files.contains_key(&path[..n]))?;
            let (module, file) = self.files.get_key_value(&path[..depth])?;
            let Some(export) = path.get(depth).and_then(|name| file.exports.get(name)) else {
                return Some(module);
            };
            let rest = path[depth + 1..].to_vec();
            path = export.strip_prefix(&["crate".to_owned()])?.to_vec();
            path.extend(rest);
        }
        None
    }
}

impl File {
    /// What it hands on.
    pub(crate) fn handed_on(&self) -> impl Iterator<Item = &Names> {
        self.exports.values()
    }

    fn of(name: String, tree: &syn::File, modules: &BTreeSet<Names>) -> Self {
        let mut reader = Reader {
            module: module(&name),
            modules,
            paths: BTreeSet::new(),
            exports: BTreeMap::new(),
            macros: BTreeSet::new(),
            imports: BTreeMap::new(),
            is_async: false,
        };
        let uses = tree.items.iter().filter_map(|item| match item {
            Item::Use(item) if !is_test(&item.attrs) => Some(item),
            _ => None,
        });
        uses.flat_map(Import::all).for_each(|import| reader.import(import));
        reader.visit_file(tree);
        let Reader { paths, exports, macros, is_async, .. } = reader;
        Self { name, paths, is_async, macros, exports }
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file's path below src, and its code with more behind it.
fn parsed(path: &Path, more: &str) -> (String, syn::File) {
    let name = path.strip_prefix(src()).unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap() + more;
    let tree = syn::parse_file(&text).unwrap();
    (name, tree)
}

/// The modules of a file that are for tests alone.
fn tests(name: &str, tree: &syn::File) -> Vec<Names> {
    let modules = tree.items.iter().filter_map(|item| match item {
        Item::Mod(inner) if is_test(&inner.attrs) => Some(inner.ident.to_string()),
        _ => None,
    });
    modules.map(|inner| [module(name), vec![inner]].concat()).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The module that a file is: none for lib.rs.
fn module(name: &str) -> Names {
    let stem = name.strip_suffix(".rs").unwrap();
    if stem == "lib" { Names::new() } else { stem.split('/').map(str::to_owned).collect() }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let tokens = attribute.meta.require_list().map(|list| list.tokens.to_string());
        let is_cfg = attribute.path().is_ident("cfg");
        attribute.path().is_ident("test") || is_cfg && tokens.is_ok_and(|t| t == "test")
    })
}

/// A name that a `use` brings in; none where it is all that is there.
struct Import {
    path: Names,
    name: Option<String>,
    is_public: bool,
}

impl Import {
    fn all(item: &syn::ItemUse) -> Vec<Self> {
        let mut found = Vec::new();
        let is_public = !matches!(item.vis, syn::Visibility::Inherited);
        Self::collect(&Names::new(), &item.tree, is_public, &mut found);
        found
    }

    fn collect(before: &Names, tree: &UseTree, is_public: bool, found: &mut Vec<Self>) {
        let with = |name: &syn::Ident| [before.as_slice(), &[name.to_string()]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => {
                return Self::collect(&with(&path.ident), &path.tree, is_public, found);
            }
            UseTree::Group(group) => {
                let each = |tree| Self::collect(before, tree, is_public, found);
                return group.items.iter().for_each(each);
            }
            UseTree::Name(name) if name.ident == "self" => (before.clone(), before.last().cloned()),
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
            UseTree::Rename(rename) => (with(&rename.ident), Some(rename.rename.to_string())),
            UseTree::Glob(_) => (before.clone(), None),
        };
        found.push(Self { path, name, is_public });
    }
}

/// Collects what a file names.
struct Reader<'a> {
    module: Names,
    modules: &'a BTreeSet<Names>,
    paths: BTreeSet<Names>,
    exports: BTreeMap<String, Names>,
    macros: BTreeSet<String>,
    /// What a name stands for that the file has from elsewhere.
    imports: BTreeMap<String, Names>,
    is_async: bool,
}

impl Reader<'_> {
    /// A path from the root on; none if it starts with a name of the file's own.
    fn whole(&self, path: &[String]) -> Option<Names> {
        let root =
            |module: &[String], rest: &[String]| [&["crate".to_owned()], module, rest].concat();
        let first = path.first()?.as_str();
        match first {
            "crate" | "std" | "core" | "alloc" => Some(path.to_vec()),
            "self" if path.len() > 1 => Some(root(&self.module, &path[1..])),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                let module = &self.module[..self.module.len().checked_sub(ups)?];
                Some(root(module, &path[ups..]))
            }
            _ => {
                let child = [self.module.as_slice(), &path[..1]].concat();
                if self.modules.contains(&child) {
                    return Some(root(&self.module, path));
                }
                if let Some(import) = self.imports.get(first) {
                    return Some([import.as_slice(), &path[1..]].concat());
                }
                // Crates have names in small letters, and are named for something that is in them.
                let is_crate = first.starts_with(|c: char| c.is_ascii_lowercase());
                (is_crate && path.len() > 1).then(|| path.to_vec())
            }
        }
    }

    fn add(&mut self, path: &[String]) {
        self.paths.extend(self.whole(path));
    }

    fn import(&mut self, Import { path, name, .. }: Import) {
        if let (Some(whole), Some(name)) = (self.whole(&path), name) {
            self.imports.insert(name, whole);
        }
    }

    fn export_or_use(&mut self, Import { path, name, is_public }: Import) {
        match (self.whole(&path), name) {
            // To hand a name on is not to use it.
            (Some(whole), Some(name)) if is_public => drop(self.exports.insert(name, whole)),
            (whole, _) => self.paths.extend(whole),
        }
    }

    /// Paths in what a macro is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Names::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.add(&std::mem::take(&mut path));
                    }
                    if name == "await" {
                        self.is_async = true;
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.add(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.add(&path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            _ => &[],
        };
        if is_test(attributes) {
            return;
        }
        if let Item::Use(item) = item {
            for import in Import::all(item) {
                self.export_or_use(import);
            }
            return;
        }
        if let Item::Mod(inner) = item {
            self.module.push(inner.ident.to_string());
            visit::visit_item(self, item);
            self.module.pop();
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.add(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.macros.insert(name.ident.to_string());
        }
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.is_async |= signature.asyncness.is_some();
        visit::visit_signature(self, signature);
    }

    fn visit_expr_await(&mut self, wait: &'ast syn::ExprAwait) {
        self.is_async = true;
        visit::visit_expr_await(self, wait);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.is_async = true;
        visit::visit_expr_async(self, block);
    }
}
