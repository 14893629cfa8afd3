"""What an error costs: the extension beside bare Flask, hand-written code and its peers. See README.md."""
