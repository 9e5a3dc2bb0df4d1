"""gyre info."""
import json
import os

from support import OK, ToolTest, main


class Info(ToolTest):
    def info(self, *arguments, **options):
        result = self.gyre("info", "--json", *arguments, **options)
        self.assert_exit(result, OK)
        return json.loads(result.stdout)

    def test_the_devices_and_the_profile_of_the_chosen_one(self):
        info = self.info()
        self.assertEqual(set(info), {"gyre", "devices", "chosen", "profile"})
        self.assertGreater(len(info["devices"]), 0)
        for index, device in enumerate(info["devices"]):
            self.assertEqual(device["index"], index)
            self.assertTrue(device["name"] and device["driver"])
            self.assertIn(device["type"], ("discrete", "integrated", "virtual", "cpu", "other"))
            self.assertRegex(device["uuid"], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            self.assertEqual(device["usable"], device["missing"] == "")
        self.assertTrue(info["devices"][info["chosen"]]["usable"])
        profile = info["profile"]
        self.assertGreater(profile["relaunch_ns"], 0)
        self.assertGreater(profile["quantum_ns"], profile["relaunch_ns"])
        self.assertGreaterEqual(profile["resident_workgroups"], 1)
        for key in ("memory_to_device", "memory_to_host"):
            self.assertTrue(profile["memory_types"][profile[key]]["probed"])
        chosen = [profile["memory_types"][profile[key]] for key in ("memory_to_device", "memory_to_host")]
        self.assertEqual(profile["live"], chosen[0]["live_to_device"] and chosen[1]["live_to_host"])

    def test_every_way_to_name_a_device(self):
        device = self.info()["devices"][0]
        for selector in ("0", "index:0", "uuid:" + device["uuid"], "name:" + device["name"][:4].upper(),
                         "type:" + device["type"]):
            with self.subTest(selector):
                self.assertEqual(self.info("--device", selector)["chosen"], 0)

    def test_for_humans(self):
        info = self.info()
        result = self.gyre("info")
        self.assert_exit(result, OK)
        for device in info["devices"]:
            self.assertIn(device["name"], result.stdout)
            self.assertIn(device["uuid"], result.stdout)
        for words in ("usable", "live visibility", "relaunch", "loop limit", "resident workgroups", "overlap",
                      "timestamps"):
            self.assertIn(words, result.stdout)

    def environment(self):
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder)}

    def test_the_profile_is_kept_and_measured_again_with_probe(self):
        measured = self.info(env=self.environment())["profile"]
        self.assertFalse(measured["cached"])
        self.assertEqual(len(list(self.folder.glob("gyre/profile-*.bin"))), 1 if measured["live"] else 0)
        kept = self.info(env=self.environment())["profile"]
        self.assertEqual(kept["cached"], measured["live"])
        if kept["cached"]:
            for key in set(kept) - {"relaunch_ns", "quantum_ns", "probe_ns", "cached"}:
                self.assertEqual(kept[key], measured[key], key)
            self.assertIn("--probe", self.gyre("info", env=self.environment()).stdout)
        again = self.info("--probe", env=self.environment())["profile"]
        self.assertFalse(again["cached"])
        self.assertEqual(set(again), set(kept))

    def test_a_file_that_is_damaged_is_measured_anew(self):
        self.info(env=self.environment())
        for file in self.folder.glob("gyre/profile-*.bin"):
            file.write_bytes(file.read_bytes()[:-1])
        self.assertFalse(self.info(env=self.environment())["profile"]["cached"])

    def test_overlap_and_timestamps_fit_the_device(self):
        info = self.info("--probe")
        profile = info["profile"]
        if info["devices"][info["chosen"]]["compute_queues"] == 1:
            self.assertFalse(profile["overlap_queues"])
        self.assertEqual(profile["timestamp_period"] > 0, profile["timestamp_valid_bits"] > 0)
        self.assertLessEqual(profile["timestamp_valid_bits"], 64)

    def test_verbose_says_what_was_chosen(self):
        result = self.gyre("info", "--verbose")
        self.assert_exit(result, OK)
        self.assertIn("chosen", result.stderr)


if __name__ == "__main__":
    main()
