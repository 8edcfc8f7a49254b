"""The main job on real data: an organization from an empty directory to its end, three devices, everything checked."""
