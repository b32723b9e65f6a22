#!/usr/bin/env python3
"""What .ci/layers finds, tried on small trees. Needs nothing but Python."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import modules  # noqa: E402


def script(name):
    """A program without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


layers = script("layers")


class Circles(unittest.TestCase):
    def rings(self, **files):
        """The circles of a crate with these files; `a__b` is a/b.rs."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name.replace("__", "/") + ".rs")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return [ring for ring, _ in modules.circles(pathlib.Path(folder, "lib.rs"))]

    def test_two_modules_that_use_each_other(self):
        self.assertEqual(self.rings(lib="mod a; mod b;", a="use crate::b::B;", b="use super::a::A;"), [["a", "b"]])

    def test_one_way_is_none(self):
        self.assertEqual(self.rings(lib="mod a; mod b;", a="use crate::b::{self, B};", b="use std::fmt;"), [])

    def test_three_in_a_row_and_back(self):
        rings = self.rings(lib="mod a; mod b; mod c;", a="use crate::b;", b="use crate::c::C;", c="fn f() { crate::a::f() }")
        self.assertEqual(rings, [["a", "b", "c"]])

    def test_a_path_in_the_code_counts_as_a_use_does(self):
        self.assertEqual(self.rings(lib="mod a; mod b;", a="fn f(b: &crate::b::B) {}", b="use crate::a;"), [["a", "b"]])
        self.assertEqual(self.rings(lib="mod a; mod b;", a="use super::b; fn f() { b::g() }", b="fn g() { super::a::f() }"), [["a", "b"]])

    def test_a_re_export_hides_nothing(self):
        rings = self.rings(lib="mod a; mod b; pub use a::A; pub(crate) use b::{B as Bee};", a="use crate::Bee;", b="use crate::A;")
        self.assertEqual(rings, [["a", "b"]])
        through = self.rings(lib="mod a; mod b;", a="use crate::b::Deep;", b__mod="pub mod c; pub use c::Deep;", b__c="use crate::a;")
        self.assertEqual(through, [["a", "b"]])

    def test_a_private_import_of_the_parent_is_seen_by_its_children(self):
        rings = self.rings(lib="mod a; mod b; use b::B;", a="use super::B;", b="use super::a;")
        self.assertEqual(rings, [["a", "b"]])

    def test_an_import_may_stand_before_the_declaration_and_on_another_import(self):
        rings = self.rings(lib="pub use a::A; mod a; mod b;", a="use crate::b; use b::B;", b="use crate::A;")
        self.assertEqual(rings, [["a", "b"]])

    def test_parent_and_child_are_one_thing(self):
        self.assertEqual(self.rings(lib="mod a;", a="mod b; use b::B; struct A;", a__b="use super::A;"), [])

    def test_folders_are_in_a_circle_by_what_is_inside_of_them(self):
        rings = self.rings(
            lib="mod a; mod b;",
            a__mod="mod x; mod y;", a__x="use crate::b::v::V;", a__y="",
            b__mod="pub mod u; pub mod v;", b__u="use crate::a::y;", b__v="",
        )  # fmt: skip
        self.assertEqual(rings, [["a", "b"]])

    def test_children_of_one_folder(self):
        rings = self.rings(lib="mod a;", a__mod="mod x; mod y;", a__x="use super::y::Y;", a__y="use super::x::{X, Z};")
        self.assertEqual(rings, [["a::x", "a::y"]])

    def test_modules_inside_of_a_file(self):
        self.assertEqual(self.rings(lib="mod a { use super::b::B; } mod b { use super::a::A; }"), [["a", "b"]])

    def test_tests_comments_and_texts_do_not_count(self):
        b = """
            // use crate::a::A;
            /* use crate::a; /* nested */ use crate::a; */
            const TEXT: &str = "use crate::a::A;"; const RAW: &str = r#"crate::a" crate::a"#; const C: char = '"';
            fn life<'a>(x: &'a str) -> char { '\\'' }
            #[cfg(test)] use crate::a::A;
            #[cfg(test)] mod tests { use crate::a::A; fn f() { crate::a::f() } }
            #[cfg(all(test, unix))] #[allow(unused)] pub(crate) fn helper() { crate::a::f() }
            struct B { #[cfg(test)] of: crate::a::A, x: u8 }
        """
        self.assertEqual(self.rings(lib="mod a; mod b; #[cfg(test)] mod tests;", a="use crate::b;", b=b, tests="use crate::a;"), [])

    def test_what_follows_a_test_counts(self):
        b = "#[cfg(test)] mod tests { } #[cfg(test)] fn g(); struct B { #[cfg(test)] x: u8, y: crate::a::A }"
        self.assertEqual(self.rings(lib="mod a; mod b;", a="use crate::b;", b=b), [["a", "b"]])

    def test_visibility_and_other_crates_are_no_edges(self):
        self.assertEqual(self.rings(lib="mod a; mod b;", a="use crate::b;", b="pub(in crate::a) fn f() { ::a::g(); std::a::h() }"), [])

    def test_an_import_with_its_crates_name_ends(self):
        self.assertEqual(self.rings(lib="mod a; use log::log; pub use bytes; fn f() { log::x(); bytes::y() }", a="use crate::bytes::B;"), [])

    def test_places_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"lib": "mod a; mod b;", "a": "\n\nuse crate::b::B;", "b": "use crate::a;"}.items():
                pathlib.Path(folder, f"{name}.rs").write_text(text)
            [(_, places)] = modules.circles(pathlib.Path(folder, "lib.rs"))
            self.assertEqual(places, [f"{folder}/a.rs:3 names crate::b::B", f"{folder}/b.rs:1 names crate::a"])


class Edges(unittest.TestCase):
    def found(self, name, **dependencies):
        return layers.edges({"package": {"name": name}, "dependencies": dependencies})

    def test_what_the_table_has(self):
        self.assertEqual(self.found("gateway", recorder={"workspace": True}, tokio="1"), [])

    def test_what_it_has_not(self):
        [complaint] = self.found("gateway", web={"workspace": True})
        self.assertIn("gateway names web", complaint)

    def test_a_crate_that_is_not_in_it(self):
        [complaint] = self.found("utils")
        self.assertIn("not in the table", complaint)

    def test_a_dependency_with_another_name(self):
        [complaint] = self.found("web", index={"package": "tantivy", "version": "1"})
        self.assertIn("only search may", complaint)

    def test_doors(self):
        for library, door in (("aws-sdk-s3", "storage"), ("aws-config", "storage"), ("tantivy", "search"), ("askama", "web"), ("avt", "player")):
            self.assertEqual(self.found(door, **{library: "1"}), [])
            self.assertEqual(len(self.found("kubetape", **{library: "1"})), 1, library)
        # The cryptographic library of that vendor is no SDK.
        self.assertEqual(self.found("kubetape", **{"aws-lc-rs": "1"}), [])

    def test_a_test_may_name_what_is_said_for_tests(self):
        manifest = {"package": {"name": "verify"}, "dev-dependencies": {"journal": {"workspace": True}}}
        self.assertEqual(layers.edges(manifest), [])
        self.assertEqual(len(self.found("verify", journal={"workspace": True})), 1)

    def test_dependencies_of_one_platform(self):
        manifest = {"package": {"name": "web"}, "target": {"cfg(unix)": {"dependencies": {"tantivy": "1"}}}}
        self.assertEqual(len(layers.edges(manifest)), 1)


class Page(unittest.TestCase):
    def page(self, **other):
        rows = {name: ", ".join(sorted(named)) or "–" for name, named in layers.MAY_NAME.items()} | other
        return "\n".join(f"| `{name}` | what it is | {named} |" for name, named in rows.items())

    def test_a_page_that_says_the_same(self):
        self.assertEqual(layers.documented(self.page(kubetape="all", demo="none of ours")), [])

    def test_a_page_that_says_something_else(self):
        [complaint] = layers.documented(self.page(spool="recording, storage"))
        self.assertIn("spool: docs/architecture.md and the table of .ci/layers differ in storage", complaint)

    def test_a_page_without_a_row(self):
        page = "\n".join(line for line in self.page().splitlines() if "`wire`" not in line)
        self.assertEqual(layers.documented(page), ["wire: docs/architecture.md has no row for it"])


class Purity(unittest.TestCase):
    """On a workspace of its own, without a registry: cargo is asked as for ours."""

    def found(self, *way):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "Cargo.toml").write_text(f"[workspace]\nresolver = '3'\nmembers = {list(way)}\n")
            for name, following in zip(way, [*way[1:], None]):
                (root / name / "src").mkdir(parents=True)
                (root / name / "src" / "lib.rs").touch()
                manifest = f"[package]\nname = '{name}'\nversion = '0.1.0'\nedition = '2024'\n[dependencies]\n"
                (root / name / "Cargo.toml").write_text(manifest + (f"{following} = {{ path = '../{following}' }}\n" if following else ""))
            layers.subprocess.run(["cargo", "generate-lockfile", "--offline", "-q"], cwd=root, check=True)
            return layers.impurities(root, way[0])

    def test_a_runtime_far_down_is_found_with_the_way_to_it(self):
        [complaint] = self.found("transcript", "storage", "tokio-util")
        self.assertIn("transcript -> storage -> tokio-util", complaint)

    def test_c_is_found(self):
        self.assertEqual(len(self.found("recording", "zstd-sys")), 1)

    def test_what_has_no_io_is_pure(self):
        self.assertEqual(self.found("transcript", "recording", "access"), [])


if __name__ == "__main__":
    unittest.main()
