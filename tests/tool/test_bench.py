"""gyre bench: what it prints. How fast things are is not for a test on a shared machine to say."""
import json

from support import OK, ToolTest, main

CASES = ["line", "floor", "dispatch", "roundtrip-1"]


class Bench(ToolTest):
    def bench(self, *arguments):
        result = self.gyre("bench", "--json", "--rounds", "1", *arguments)
        self.assert_exit(result, OK)
        return json.loads(result.stdout)

    def check(self, case):
        for key in ("messages", "verified", "p50_ns", "p99_ns", "p999_ns"):
            self.assertIsInstance(case[key], int)
            self.assertGreater(case[key], 0)
        self.assertEqual(case["messages"], case["verified"])
        self.assertLessEqual(case["p50_ns"], case["p99_ns"])
        self.assertLessEqual(case["p99_ns"], case["p999_ns"])
        self.assertGreater(case["rate_per_s"], 0)
        self.assertIn(case["visibility"], ("live", "strict") if case["name"] == "roundtrip-1" else (None,))

    def test_all_cases(self):
        bench = self.bench()
        self.assertEqual([case["name"] for case in bench["cases"]], CASES)
        for case in bench["cases"]:
            self.check(case)
        for key in ("index", "name", "uuid", "type", "driver"):
            self.assertIn(key, bench["device"])
        self.assertRegex(bench["gyre"], r"^\d+\.\d+\.\d+$")
        self.assertIn(bench["cases"][2]["wait"], ("spin", "block"))

    def test_one_case(self):
        for name in CASES:
            with self.subTest(name):
                bench = self.bench("--case", name)
                self.assertEqual([case["name"] for case in bench["cases"]], [name])
        self.assertIsNone(self.bench("--case", "line", "--case", "floor")["device"])

    def test_for_humans(self):
        result = self.gyre("bench", "--rounds=1")
        self.assert_exit(result, OK)
        for name in CASES:
            self.assertIn("\n" + name + " ", result.stdout)


if __name__ == "__main__":
    main()
