"""Labels from and to the formats of others: a table to read.

In:  a log; or what other tools wrote.
Out: a CSV table, an audformat database, a Hugging Face AudioFolder, Label Studio's JSON; or labels
     in the log.
"""
