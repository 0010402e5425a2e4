"""The picture in the README: real commands on a real NetBox, and what a terminal shows of them."""
