"""What the layers of a pre-trained encoder carry: numbers, sentences, tables, pictures, a page."""
