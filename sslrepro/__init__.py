"""sslrepro: when does a contrastive learner gain from positives that are other images?

reproduce("nnclr_queue")        a table of a paper, beside our numbers
trial.try_method("invp")        one run of any method, with any setting changed
report                          what pages are made of
methods.names(), data.load()    the parts, for your own experiments
"""

__version__ = "0.1.0"
