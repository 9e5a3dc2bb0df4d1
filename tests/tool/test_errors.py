"""Bad input: each has its exit code and a sentence that helps."""
import os
import re
import subprocess

from support import DEVICE, ECHO, KERNEL, OK, ROOT, USAGE, ToolTest, kernel, main


class Usage(ToolTest):
    def test_what_cannot_be_understood(self):
        k = self.write("k.comp", ECHO)
        for arguments in ([], ["fly"], ["run"], ["run", k, k], ["run", k, "--fast"], ["run", k, "--visibility", "some"],
                          ["run", k, "--queue-size", "0"], ["run", k, "--queue-size", "x"],
                          ["run", k, "--queue-size", "-5"], ["run", k, "--timeout", "0"], ["run", k, "--timeout", "1s"],
                          ["run", k, "--timeout", "nan"], ["info", "more"], ["bench", "--case", "nothing"],
                          ["bench", "--rounds", "0"], ["bench", "more"]):
            with self.subTest(arguments):
                result = self.gyre(*arguments)
                self.assert_exit(result, USAGE)
                self.assertEqual(result.stdout, "")
                self.assertNotEqual(result.stderr, "")

    def test_a_wrong_value_is_told_what_would_be_right(self):
        k = self.write("k.comp", ECHO)
        cases = [
            (["--backpressure", "wait"], "--backpressure is block, reject or drop-oldest, not 'wait'"),
            (["--backpressure", ""], "--backpressure is block, reject or drop-oldest"),
            (["--window", "0"], "--window is a number from 1 to 16777216, not '0'"),
            (["--window", "many"], "--window is a number"),
            (["--window", "16777217"], "--window is a number"),
            (["--queue-size", "1k"], "--queue-size is a number from 1 to 16777216, not '1k'"),
            (["--deadline", "0"], "--deadline is a number of milliseconds above 0, not '0'"),
            (["--deadline", "-1"], "--deadline is a number of milliseconds above 0"),
            (["--deadline", "5ms"], "--deadline is a number of milliseconds above 0"),
            (["--deadline", "nan"], "--deadline is a number of milliseconds above 0"),
            (["--deadline", "1e300"], "--deadline is a number of milliseconds above 0"),
            (["--stats=xml"], "--stats is a table, --stats=json an object; 'xml' is neither"),
            (["--deadline", ""], "--deadline is a number of milliseconds above 0"),
        ]
        for arguments, words in cases:
            with self.subTest(arguments):
                result = self.gyre("run", k, *arguments)
                self.assert_exit(result, USAGE)
                self.assertEqual(result.stdout, "")
                self.assert_says(result, words)

    def test_help_and_version(self):
        for arguments in (["--help"], ["run", "--help"], ["info", "--help"], ["bench", "--help"]):
            result = self.gyre(*arguments)
            self.assert_exit(result, OK)
            self.assertIn("Exit codes:", result.stdout)
            self.assertEqual(result.stderr, "")
        result = self.gyre("--version")
        self.assert_exit(result, OK)
        self.assertRegex(result.stdout, r"^gyre \d+\.\d+\.\d+\n$")

    def test_an_input_that_is_not_there(self):
        result = self.gyre("run", self.write("k.comp", ECHO), "--input", str(self.folder / "none"))
        self.assert_exit(result, USAGE)
        self.assert_says(result, "none: No such file or directory")

    def test_a_run_that_cannot_begin_keeps_the_old_output(self):
        target = self.folder / "out"
        target.write_text("kept")
        result = self.gyre("run", self.write("k.comp", "nonsense"), "--output", str(target))
        self.assert_exit(result, KERNEL)
        self.assertEqual(target.read_text(), "kept")


class Glsl(ToolTest):
    def refused(self, text, *words, code=KERNEL):
        result = self.run_kernel(text, [{"a": 1}])
        self.assert_exit(result, code)
        self.assertEqual(result.stdout, "")
        self.assert_says(result, *words)

    def test_a_kernel_that_is_not_there(self):
        for path in ("none.comp", "none.spv"):
            result = self.gyre("run", str(self.folder / path))
            self.assert_exit(result, USAGE)
            self.assert_says(result, path, "No such file or directory")

    def test_an_error_is_named_with_the_line_of_the_users_file(self):
        text = kernel("GYRE_OUT.a = GYRE_IN.missing; gyre_send();")
        line = next(i for i, row in enumerate(text.splitlines(), 1) if "missing" in row)
        self.refused(text, f"kernel.comp:{line}: ", "missing")

    def test_a_missing_include(self):
        self.refused(ECHO.replace("gyre/kernel.glsl", "gyre/nothing.glsl"), "kernel.comp:", "gyre/nothing.glsl")

    def test_an_include_that_leaves_its_root(self):
        (self.folder / "inside").mkdir()
        self.write("outside.glsl", "\n")
        path = self.write("inside/k.comp", ECHO.replace("void main", '#include "../outside.glsl"\nvoid main'))
        result = self.gyre("run", path)
        self.assert_exit(result, KERNEL)
        self.assert_says(result, "outside.glsl")

    def test_a_shader_that_is_no_gyre_kernel(self):
        self.refused("#version 460\nlayout(local_size_x = 1) in;\nvoid main() {}\n", "gyre/kernel.glsl")

    def test_an_empty_file(self):
        self.refused("", "kernel.comp")

    def test_a_folder(self):
        result = self.gyre("run", str(self.folder))
        self.assert_exit(result, USAGE)
        self.assert_says(result, "Is a directory")

    def test_a_workgroup_that_is_too_large(self):
        self.refused(ECHO.replace("local_size_x = 1", "local_size_x = 1048576"), "kernel")

    def test_a_message_over_the_limit(self):
        text = kernel("GYRE_OUT.a = GYRE_IN.a[0]; gyre_send();", input="uint a[1 << 26];")
        self.refused(text, "kernel")


class Spirv(ToolTest):
    def setUp(self):
        super().setUp()
        self.path = self.compile("good.comp", ECHO)
        with open(self.path, "rb") as file:
            self.module = file.read()

    def compile(self, name, text, *flags):
        source = self.write(name, text)
        target = source + ".spv"
        subprocess.run(["glslc", "--target-env=vulkan1.2", *flags, "-I", str(ROOT / "shaders"), source, "-o", target],
                       check=True)
        return target

    def refused(self, module, *words):
        result = self.gyre("run", self.write("bad.spv", module), input='{"a": 1}\n')
        self.assert_exit(result, KERNEL)
        self.assertEqual(result.stdout, "")
        self.assert_says(result, "bad.spv", *words)

    def test_a_whole_module_runs(self):
        result = self.gyre("run", self.path, input='{"a": 5}\n')
        self.assert_exit(result, OK)
        self.assertEqual(result.stdout, '{"a": 5, "_correlation": 1}\n')

    def test_a_truncated_module(self):
        for length in (0, 3, 4, 19, 20, 21, len(self.module) // 2, len(self.module) // 2 // 4 * 4, len(self.module) - 4,
                       len(self.module) - 1):
            with self.subTest(length):
                self.refused(self.module[:length])

    def test_random_bytes(self):
        noise = bytes((i * i * 31 + i * 7 + 5) % 251 for i in range(4096))
        self.refused(noise)
        self.refused(self.module[:20] + noise)

    def test_flipped_words(self):
        """In what the module says of itself; further on a flipped word is another program, no damaged module."""
        for at in range(0, 160, 4):
            damaged = bytearray(self.module)
            damaged[at] ^= 0x15
            result = self.gyre("run", self.write("bad.spv", bytes(damaged)), "--check", timeout=60)
            self.assertIn(result.returncode, (OK, KERNEL, DEVICE), f"byte {at}: {result.stderr}")

    def test_another_stage(self):
        source = "#version 460\nlayout(location = 0) out vec4 c;\nvoid main() { c = vec4(1); }\n"
        with open(self.compile("f.frag", source), "rb") as file:
            self.refused(file.read(), "compute")

    def test_another_interface_version(self):
        wire = (ROOT / "shaders/gyre/wire.h").read_text()
        (self.folder / "gyre").mkdir()
        for path in (ROOT / "shaders/gyre").glob("*.glsl"):
            self.write("gyre/" + path.name, path.read_text())
        changed, count = re.subn(r"#define GYRE_WIRE_VERSION \d+u", "#define GYRE_WIRE_VERSION 99u", wire)
        self.assertEqual(count, 1)
        self.write("gyre/wire.h", changed)
        with open(self.compile("v.comp", ECHO), "rb") as file:
            self.refused(file.read(), "version 99")

    def test_a_module_without_names(self):
        with open(self.compile("o.comp", ECHO, "-O"), "rb") as file:
            self.refused(file.read(), "name")


class Devices(ToolTest):
    def test_no_driver_at_all(self):
        environment = dict(os.environ, VK_DRIVER_FILES="/dev/null", VK_ICD_FILENAMES="/dev/null")
        for arguments in (["info"], ["run", self.write("k.comp", ECHO)], ["bench", "--rounds=1"]):
            with self.subTest(arguments):
                result = self.gyre(*arguments, env=environment)
                self.assert_exit(result, DEVICE)
                self.assertNotEqual(result.stderr, "")

    def test_a_device_that_is_not_there(self):
        for selector in ("index:77", "77", "name:no such card", "uuid:00000000-0000-0000-0000-000000000001",
                         "type:virtual"):
            with self.subTest(selector):
                result = self.gyre("run", self.write("k.comp", ECHO), "--device", selector)
                self.assert_exit(result, DEVICE)
                self.assertNotEqual(result.stderr, "")

    def test_the_environment_chooses_too(self):
        result = self.gyre("run", self.write("k.comp", ECHO), env=dict(os.environ, GYRE_DEVICE="index:77"))
        self.assert_exit(result, DEVICE)

    def test_cases_without_a_device_need_none(self):
        environment = dict(os.environ, VK_DRIVER_FILES="/dev/null", VK_ICD_FILENAMES="/dev/null")
        self.assert_exit(self.gyre("bench", "--case", "line", "--rounds", "1", env=environment), OK)

    def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(self):
        blocked = self.write("file", "not a folder")
        result = self.run_kernel(ECHO, [{"a": 1}], env=dict(os.environ, XDG_CACHE_HOME=blocked))
        self.assert_exit(result, OK)


if __name__ == "__main__":
    main()
