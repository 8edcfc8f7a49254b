"""A device: downloads what its user may carry, and reads it from SQLite."""

import os

from haversack_client import Device

with Device.open("acme.db", "http://127.0.0.1:7421", os.environ["TOKEN"]) as device:
    result = device.sync()
    print(result.rows, "rows received")
    for name, city in device.query("SELECT name, address1_city FROM account ORDER BY name"):
        print(name, city)
