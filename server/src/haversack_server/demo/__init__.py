"""The main job on real data, shown: an organization, two profiles, three devices, and what happens when things change."""
