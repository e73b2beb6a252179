"""The paper: one Markdown source (README.md beside this file), set as a PDF and shown on the site.

The source has four ways to say something that stands elsewhere:

    a paragraph that is a link to a heading of a page      that section, its text up to the next heading
    {{ name argument ... }}                                a number or a table of values.py, from validation/results
    [section](#heading), "section 3" of a page             the number of that section in the paper
    *Figure: ...*, *Table: ...*                            a caption, which gets its number

So no statement, proof or figure of a result is written twice. `make paper` writes the PDF; docs/conf.py shows the same
text on the site.
"""
