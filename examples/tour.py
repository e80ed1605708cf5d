"""# A tour of Lamina: who is speaking?

Nine speakers, told apart by how they say two vowels. Editors run this file cell by cell; `python docs/make_notebook.py`
makes a notebook and a page of it.
"""

# %% [markdown]
# ## The data
# 270 recordings to train on and 370 to test with, of 7 to 29 steps each, 12 numbers a step.

# %%
import lamina
from lamina.layers import LSTM, Dense, Dropout, Standardize

data = lamina.datasets.japanese_vowels()
data

# %% [markdown]
# ## The model
# What ends a cell shows itself: a model as a table of its layers.

# %%
model = lamina.Sequential(Standardize(), LSTM(32), Dropout(0.3), Dense(9))
model.build((None, None, 12), seed=0)
model.summary()

# %% [markdown]
# ## Is its gradient right?
# One call proves a layer: against finite differences, with padding, read-only arrays, on other backends and more.

# %%
lamina.testing.check_layer(LSTM(4), (3, 5, 2))

# %% [markdown]
# ## Training
# A bar while it runs, and a line for each epoch.

# %%
ratios = lamina.inspect.UpdateRatios(every=1)
metrics = [
    "accuracy",
    lamina.metrics.ConfusionMatrix(),
    lamina.metrics.Precision(average=None),
    lamina.metrics.Recall(average=None),
]
trainer = lamina.Trainer(
    model,
    optimizer=lambda parameters: lamina.optimizers.Adam(parameters, lr=0.01),
    metrics=metrics,
    callbacks=ratios,
    class_names=data.class_names,
    seed=0,
)
history = trainer.fit(
    data.x_train,
    data.y_train,
    lengths=data.lengths_train,
    epochs=12,
    validation_split=0.2,
    stratify=True,
)

# %% [markdown]
# Its history: the figures of each epoch, a picture of them, and the last epoch's figures of each class.

# %%
history

# %% [markdown]
# A picture alone, and a file of it where a path is given:

# %%
history.plot()

# %% [markdown]
# ## How good is it?
# `evaluate` returns a dict. A notebook shows it with the classes' names.

# %%
trainer.evaluate(data.x_test, data.y_test, lengths=data.lengths_test)

# %% [markdown]
# ## Seeing inside
# How fast the weights moved, how the gradient flows back through time, what the layers put out, where the time goes.

# %%
ratios

# %%
lamina.inspect.gradient_flow(model, data.x_test[:32], data.y_test[:32], lengths=data.lengths_test[:32])

# %%
lamina.inspect.activations(model, data.x_test[:1], lengths=data.lengths_test[:1])

# %%
lamina.inspect.profile(model, data.x_train, lengths=data.lengths_train)
